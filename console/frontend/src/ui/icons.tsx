/** Icons: 24 by 24, strokes only, drawn in the colour of the text. */
const PATHS = {
  home: "M4 11.5 12 4l8 7.5M6 10v9.5h4.5V14h3v5.5H18V10",
  batches: "M4 7.5 12 4l8 3.5-8 3.5zM4 12l8 3.5 8-3.5M4 16.5 12 20l8-3.5",
  runs: "M4 6h9M8 12h12M6 18h8M4 6v0M20 6h-2",
  desk: "M4 13.5h4.5l1.5 2.5h4l1.5-2.5H20M4 13.5 6.5 5h11L20 13.5V19H4z",
  playground: "M5 5h14v11H10l-5 4z M9.5 9v3.5M12 8v5.5M14.5 9.5v2.5",
  money: "M12 4v16M16 8c-.5-1.5-2-2-4-2s-4 .8-4 2.8c0 4.4 8 2 8 6.2 0 2-2 3-4 3s-3.7-.7-4.2-2.3",
  fleet: "M4 5h16v5H4zM4 14h16v5H4zM7.5 7.5v0M7.5 16.5v0M11 7.5h5M11 16.5h5",
  temporal: "M14 5h5v5M19 5l-8 8M17 14v5H5V7h5",
  more: "M5 12v0M12 12v0M19 12v0",
  search: "M10.5 4.5a6 6 0 1 1 0 12 6 6 0 0 1 0-12M15 15l5 5",
  check: "m5 12.5 4.5 4.5L19 7.5",
  cross: "m6 6 12 12M18 6 6 18",
  alert: "M12 4 3 19.5h18zM12 10v4.5M12 17v0",
  stop: "M8 3.5h8l4.5 4.5v8L16 20.5H8L3.5 16V8zM12 8v5M12 16v0",
  turning: "M12 4a8 8 0 1 0 8 8",
  pause: "M8 5v14M16 5v14",
  play: "M7 4.5v15l12-7.5z",
  clock: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16M12 7.5V12l3 2",
  person: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8M4.5 20c.8-4 3.7-5.5 7.5-5.5s6.7 1.5 7.5 5.5",
  skip: "M5 5l8 7-8 7zM17 5v14",
  right: "m9 5 7 7-7 7",
  left: "m15 5-7 7 7 7",
  down: "m5 9 7 7 7-7",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  retry: "M19 12a7 7 0 1 1-2-5M17 3v4h-4",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5 19 19M19 5l-1.5 1.5M6.5 17.5 5 19",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  system: "M4 5h16v11H4zM9 20h6",
  bolt: "M13 3 5 14h6l-1 7 8-11h-6z",
  table: "M4 5h16v14H4zM4 10h16M10 5v14",
  plot: "M4 4v16h16M7 14l4-4 3 3 5-6",
  tool: "M14.5 6.5a4 4 0 0 0-5.3 5L4 16.7 7.3 20l5.2-5.2a4 4 0 0 0 5-5.3L15 12l-3-3z",
  model: "M12 4l1.8 5.7L19.5 12l-5.7 2.3L12 20l-1.8-5.7L4.5 12l5.7-2.3z",
  message: "M4 5h16v11H11l-5 4v-4H4z",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  edit: "M5 19h4L19 9l-4-4L5 15zM13 7l4 4",
  send: "M4 12 20 4l-4 16-4-7z",
  branch: "M6 4v10a4 4 0 0 0 4 4h8M14 14l4 4-4 4",
  filter: "M4 6h16M7 12h10M10 18h4",
  info: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16M12 11v5M12 8v0",
} as const;

export type IconName = keyof typeof PATHS | "brand";

/** An icon beside its word; it says nothing to screen readers. */
export function Icon({ name, small = false, turning = false }: { name: IconName; small?: boolean; turning?: boolean }) {
  const own = `icon${small ? " small" : ""}${turning ? " turning" : ""}`;
  return (
    <svg class={own} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {name === "brand" ? (
        <>
          <path d="M12 4.5a7.5 7.5 0 1 0 7.2 5.3" stroke-width="2.6" />
          <circle cx="17.2" cy="6.8" r="2.2" fill="currentColor" stroke="none" />
        </>
      ) : (
        <path d={PATHS[name]} />
      )}
    </svg>
  );
}
