import { openDatabase } from "../../../src/sqlite/database.ts";
import { DatabaseInUseError } from "../../../src/sqlite/errors.ts";

// Tries to open the database that its argument names, and tells who has it.
const [file = ""] = process.argv.slice(2);
try {
  const database = await openDatabase({
    file,
    durability: "normal",
    modules: [],
    owner: { url: "" },
  });
  await database.close();
  console.log("open");
} catch (error) {
  if (!(error instanceof DatabaseInUseError)) throw error;
  console.log(`${error.name} ${error.pid} ${error.url}`);
}
