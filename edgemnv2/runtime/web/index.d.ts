/** The network @TITLE@, for the web; made by edgemnv2 @VERSION@. */

/** Values of a tensor, NHWC, in its stored type. */
export type Values =
  | Float32Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array;

/** Inputs by name. */
export interface Inputs {
@INPUTS@
}

/** Outputs by name. */
export interface Outputs {
@OUTPUTS@
}

/** A class and its score. */
export interface Scored {
  index: number;
  score: number;
}

/** A class in a box, whose ends are shares of the input. */
export interface Detection extends Scored {
  top: number;
  left: number;
  bottom: number;
  right: number;
}

/** A class around a point. */
export interface Centroid extends Detection {
  y: number;
  x: number;
}

/** What the network says; what its kind has not is empty. */
export interface Answer {
  kind: "classifier" | "detector" | "segmenter" | "grid" | "embedding" | "unknown";
  classes: Scored[];
  detections: Detection[];
  centroids: Centroid[];
  mask?: { classes: Uint8Array; width: number; height: number };
  embedding?: Float32Array;
}

/** Where a picture lies in the input, and the way back to its pixels. */
export interface Placement {
  width: number;
  height: number;
  resized: [number, number];
  window: [number, number];
  left: number;
  top: number;
  toPicture(y: number, x: number): [number, number];
  boxToPicture(box: [number, number, number, number]): [number, number, number, number];
}

export interface Network {
  readonly facts: Record<string, unknown>;
  /** "simd", or "plain" in a browser without it. */
  readonly form: "simd" | "plain";
  /** 2 in a page that is isolated from other origins (`crossOriginIsolated`), while that is quicker. */
  readonly threads: 1 | 2;
  run(inputs: Inputs): Outputs;
  /** Ends the second thread, if there is one. */
  close(): void;
  decode(outputs: Outputs, threshold?: number): Answer;
  /** RGBA pixels as the input, as `edgemnv2 run` makes them. */
  picture(image: { data: ArrayLike<number>; width: number; height: number }): {
    inputs: Inputs;
    place: Placement;
  };
}

export const facts: Record<string, unknown>;

/** The name of class `index` of `facts.task`; its number where it has none. */
export function label(task: unknown, index: number): string;

/**
 * The network, from the files beside this module or from bytes. While the weights are on their way it
 * runs once, in slices of two milliseconds, for the browser to make its code; nothing is kept of it.
 */
export function load(bytes?: {
  simd?: Uint8Array;
  two?: Uint8Array;
  plain?: Uint8Array;
  constants?: Uint8Array;
}): Promise<Network>;
