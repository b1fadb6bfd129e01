// Restores as `chatwire restore` does: node restore-child.ts <database> <backup>
import { restoreStorage } from "../../../src/storage-backup.ts";

const [path = "", backup = ""] = process.argv.slice(2);
await restoreStorage({ type: "sqlite", path }, backup);
