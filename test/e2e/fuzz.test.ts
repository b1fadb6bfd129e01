import { gateEffort } from "../fuzz/check.ts";
import { fuzzRpcs } from "../fuzz/rpcs.ts";

// `npm run test:fuzz` looks further.
fuzzRpcs(gateEffort(40));
