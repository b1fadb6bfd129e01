import { styleText } from "node:util";
import type { Output } from "./screen.ts";

export type Format = "bold" | "dim" | "italic" | "underline" | "strikethrough" | "cyan";

/** Text in a format, or as it is where no formats are to be had. */
export type Paint = (format: Format | readonly Format[], text: string) => string;

/** Whether the output shows formats: a terminal that is not dumb, and NO_COLOR is not set (no-color.org). */
export function hasFormats(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return output.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}

/** Paints text for the output, line by line, so that no format is left on where a line ends. */
export function createPaint(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
): Paint {
  if (!hasFormats(output, env)) return (_, text) => text;
  return (format, text) => {
    const formats = [format].flat() as Format[];
    if (formats.length === 0) return text;
    return text.replace(/[^\n]+/g, (line) => styleText(formats, line, { validateStream: false }));
  };
}
