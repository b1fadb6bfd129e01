// `npm run test:fuzz -- --runs N --seed S`: looks further than the gate does. A property that fails names the
// seed and path of its counterexample; put them in seeds.json, where the gate tries them first.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { fuzzDecoders } from "./decoders.ts";
import { fuzzRpcs } from "./rpcs.ts";

const { values } = parseArgs({ options: { runs: { type: "string" }, seed: { type: "string" } } });
const runs = Number(values.runs ?? 1_000);
const seed = Number(values.seed ?? randomInt(2 ** 31));
if (!Number.isInteger(runs) || runs < 1 || !Number.isInteger(seed)) {
  throw new Error("--runs is a whole number from 1, --seed a whole number");
}
console.log(`--runs ${runs} --seed ${seed}`);
fuzzDecoders({ runs, seed });
fuzzRpcs({ runs, seed });
