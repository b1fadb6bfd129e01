import { openDatabase } from "../../../src/sqlite/database.ts";

// Opens the database that its argument names and holds it until it is killed.
const [file = ""] = process.argv.slice(2);
const database = await openDatabase({
  file,
  durability: "normal",
  modules: [],
  owner: { url: "" },
});
await database.setOwner({ url: "http://localhost:50051" });
console.log("open");
