/** The page of a show: loads the seats and puts map, list, legend, live changes and choosing together. */

import { now } from "./clock.js";
import { Announcer } from "./choosing/announcer.js";
import { bestSeats } from "./choosing/best_seats.js";
import { Choosing } from "./choosing/choosing.js";
import { Countdown } from "./choosing/countdown.js";
import { Dock } from "./choosing/dock.js";
import { Holds } from "./choosing/holds.js";
import { KeptRequests } from "./choosing/kept_requests.js";
import { Panel } from "./choosing/panel.js";
import { RecentChanges } from "./choosing/recent_changes.js";
import { Requests } from "./choosing/requests.js";
import { Selection } from "./choosing/selection.js";
import { ShowState } from "./choosing/state.js";
import { TabStorage } from "./choosing/storage.js";
import { warnOfTheEnd } from "./choosing/warnings.js";
import { element } from "./element.js";
import { enable } from "./enable.js";
import { SeatLayout } from "./seat_map/layout.js";
import { showLegend } from "./seat_map/legend.js";
import { SeatList } from "./seat_map/list.js";
import { LiveSeats } from "./seat_map/live.js";
import { Places } from "./seat_map/places.js";
import { SectionChooser } from "./seat_map/section_chooser.js";
import { SeatStates } from "./seat_map/states.js";
import { SeatMapView } from "./seat_map/view.js";
import { session } from "./session.js";
import { LiveStatus } from "./show_status.js";
import { _ } from "./words.js";

const part = (id) => document.getElementById(id);
const show = JSON.parse(part("show-data").textContent);

/** The seats; again after a while where they cannot be had. */
async function loadSeats() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 8_000)) {
    try {
      const response = await fetch(`/api/shows/${show.id}/seats`);
      if (response.ok) return await response.json();
    } catch {
      // The connection is lost: tried again below.
    }
    part("map-status").textContent = _("The seats cannot be loaded right now. Trying again …");
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function open(seats) {
  const layout = new SeatLayout(seats);
  const states = new SeatStates(layout, seats);
  const places = new Places(layout);
  const state = new ShowState(show);
  const storage = new TabStorage();
  const announcer = new Announcer(part("say"), part("alert"));
  const selection = new Selection(state, layout, states, storage);
  const holds = new Holds(state, layout);
  const requests = new Requests(state, new KeptRequests(storage), storage);
  const recent = new RecentChanges(states, now);
  const choosing = new Choosing({ state, layout, states, places, selection, holds, requests, recent, announcer, now });
  const countdown = new Countdown(state, now);

  const map = part("map");
  map.replaceChildren();
  const view = new SeatMapView(map, layout, states, {
    selected: state.selected,
    mine: state.mine,
    onSeat: (index) => {
      list.showSeat(index);
      chooser.show(list.section);
      choosing.toggle(index);
    },
    onSection: (section) => openSection(section),
  });
  const list = new SeatList(part("seat-list"), layout, places, states, {
    selected: state.selected,
    mine: state.mine,
    onSeat: (index) => choosing.toggle(index),
    onFocus: (index) => view.showSeat(index),
  });
  const chooser = new SectionChooser(part("section-field"), layout, states, (section) => openSection(section));
  const openSection = (section) => {
    list.openSection(section);
    chooser.show(section);
    view.focusSection(section);
  };
  showLegend(part("legend"), layout);
  part("accessible-field").hidden = !/[wc]/.test(layout.kinds ?? "");
  part("accessible-only").addEventListener("change", ({ target }) => {
    list.showAccessibleOnly(target.checked);
    chooser.showAccessibleOnly(target.checked);
  });
  part("zoom-in").addEventListener("click", () => view.zoomIn());
  part("zoom-out").addEventListener("click", () => view.zoomOut());
  part("zoom-fit").addEventListener("click", () => view.fit());

  new Panel(part("your-seats"), choosing, {
    showSeat: (index) => {
      list.showSeat(index, true);
      chooser.show(list.section);
      view.showSeat(index);
    },
  });
  new Dock(part("dock"), choosing, countdown);
  bestSeats(part("best-seats"), choosing);
  warnOfTheEnd(countdown, choosing);

  states.addEventListener("change", ({ detail }) => list.updateSoon(detail.indexes));
  let drawn = new Set();
  state.addEventListener("change", () => {
    const shown = new Set([...state.selected, ...state.mine]);
    const touched = [...new Set([...drawn, ...shown])];
    drawn = shown;
    list.update(touched);
    view.update(touched);
  });

  const live = new LiveSeats(show.id, states);
  new LiveStatus({ state, states, layout, live, recent, announcer, now });
  enable(part("choosing"));
  start(choosing);
  // The map can be used once the next frame shows it; hundreds of buttons would delay that frame.
  requestAnimationFrame(() =>
    setTimeout(() => {
      performance.mark("aisle:map-ready");
      list.openSection(list.section);
    }),
  );
}

/** What was selected and held before, and what was interrupted. */
async function start(choosing) {
  const { selection, holds, state } = choosing;
  addEventListener("pageshow", ({ persisted }) => persisted && holds.refresh());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && holds.refreshSoon());
  session.addEventListener("change", () => holds.refresh());
  await holds.refresh();
  const gone = selection.restore();
  if (gone.length > 0) choosing.lostBefore(gone);
  await choosing.resume();
  state.changed();
}

loadSeats().then(open, (error) => {
  part("map").replaceChildren(element("p", { class: "notice bad" }, _("The seats cannot be shown. Load the page again.")));
  throw error;
});
