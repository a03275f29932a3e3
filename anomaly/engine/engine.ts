/**
 * The boundary of: a forest and the engine that answers for it. What is best depends on how many
 * rows come at once and on what the platform has; what is answered does not.
 */
import { plainEngine, type Engine, type FlatForest } from "./flat.ts";
import { platformSupport, type Support } from "./platform.ts";
import { vectorEngine } from "./vector.ts";
import { walkEngine } from "./walk.ts";

/** Under this many rows in a batch, copying and ranking cost more than they save. */
const VECTOR_ROWS_MIN = 24;
/** Rows that come in batches before code for the forest pays; a larger batch pays at once. */
const VECTOR_WORTH_ROWS = 2048;

let found: Support | null = null;

/** Generated code is made when it is first worth it; until then, and without it, rows are walked. */
export function engineFor(forest: FlatForest, support?: Support): Engine {
  const { wasm, simd } = support ?? (found ??= platformSupport());
  if (!wasm) return plainEngine(forest);
  let walk: Engine | null = null;
  let vector: Engine | null | undefined = simd ? undefined : null;
  let batched = 0;
  const walker = (): Engine => (walk ??= walkEngine(forest));
  return {
    sumOne: (rows, from) => (walk ?? walker()).sumOne(rows, from),
    sumBatch: (rows, sums) => {
      if (sums.length < VECTOR_ROWS_MIN) return walker().sumBatch(rows, sums);
      if (vector === undefined) {
        batched += sums.length;
        if (batched >= VECTOR_WORTH_ROWS) vector = vectorEngine(forest);
      }
      return (vector ?? walker()).sumBatch(rows, sums);
    },
  };
}
