/** In the place of tailwind-merge, which sorts out classes that contradict each other: we have none of them. */
export function twMerge(...classes: unknown[]): string {
  return classes.filter((each) => typeof each === "string").join(" ");
}
