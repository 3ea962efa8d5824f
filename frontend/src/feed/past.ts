/** The model of an earlier moment, and how far it has come. */
import { EMPTY, type Model, SAMPLES_MAX } from "../model/model";
import { fold } from "../model/reduce";
import { Ring } from "../model/ring";
import type { SnapshotMessage } from "../protocol/messages";

/** The past that was asked for: on its way while `answered` is not the number wanted, then here, or a problem. */
export interface Past {
  readonly answered: number | null;
  readonly model: Model | null;
  readonly problem: string | null;
}

export const NO_PAST: Past = { answered: null, model: null, problem: null };

/** The picture of then. Its charts are this page's own samples until then. */
export function pastModel(live: Model, snapshot: SnapshotMessage): Model {
  const past = fold({ ...EMPTY, connection: live.connection }, [snapshot]);
  const until = past.atMs ?? 0;
  const samples = live.series.slice().filter(({ atMs }) => atMs <= until);
  return { ...past, series: Ring.of(SAMPLES_MAX, samples) };
}

/** A deep link may bring the past before the socket has said who the trader is. */
export function withConnection(past: Past, { connection }: Model): Past {
  const { model } = past;
  return model === null || model.connection === connection
    ? past
    : { ...past, model: { ...model, connection } };
}
