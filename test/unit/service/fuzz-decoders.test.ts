import { gateEffort } from "../../fuzz/check.ts";
import { fuzzDecoders } from "../../fuzz/decoders.ts";

// `npm run test:fuzz` looks further.
fuzzDecoders(gateEffort(100));
