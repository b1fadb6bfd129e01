const paths = {
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h16",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Zm5-2 4 4",
  pencil: "M4 20h4L19 9l-4-4L4 16v4Z",
  fork: "M7 8.5v7M7 8.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4Zm0 11.4a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4ZM17 8.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4Zm0 0c0 4-3.5 4.5-9 5",
  trash: "M5 7h14M10 7V5h4v2M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  copy: "M9 9h10v11H9zM5 15V4h10",
  check: "m5 13 4 4L19 7",
  redo: "M19 12a7 7 0 1 1-2-5m2-3v4h-4",
  forward: "M5 12h13m-5-6 6 6-6 6",
  stop: "M7 7h10v10H7z",
  send: "M12 20V5m-6 6 6-6 6 6",
  down: "m6 9 6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  settings: "M4 8h9m4 0h3M4 16h3m4 0h9M13 5.5v5M8 13.5v5",
  chart: "M5 20V10m5 10V4m5 16v-7m5 7V8",
  image: "M4 6h16v12H4zM4 16l5-5 4 4 3-3 4 4",
  alert: "M12 8v5m0 3v.5M12 3 2.5 20h19L12 3Z",
  signOut: "M14 5H5v14h9M10 12h10m-4-4 4 4-4 4",
  clock: "M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
} as const;

export type IconName = keyof typeof paths;

/** A line drawing of 1 em; what it means is said beside it. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
