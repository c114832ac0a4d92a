"use strict";
/* The network of a ring on Cytoscape: columns from victims to exits, money that plays over time. At first the accounts
   around the ring are one node a side; a button or a press on such a node shows each of them. */
(() => {
  const box = document.getElementById("ring-network");
  const spec = page.data.network;
  if (!box || !spec) return;
  const readout = document.getElementById("network-readout"), slider = document.getElementById("slider"), around = document.getElementById("around");
  const shape = {
    collector: "ellipse", relay: "round-rectangle", consolidator: "hexagon", cash_out: "diamond", controller: "star", peripheral: "round-triangle",
    victim: "triangle", payer: "triangle", recipient: "vee", institution: "rectangle", exit: "pentagon", hub: "octagon", payers: "triangle", receivers: "vee",
  };
  const colourOf = (kind) => page.colour({ victim: "victim", payer: "other", recipient: "other", payers: "other", receivers: "other", institution: "exit", exit: "exit", hub: "exit" }[kind] || kind);
  const unit = spec.unit, times = spec.time, n = times.length, begin = n ? times[0] : 0, end = n ? times[n - 1] : 0;
  /* What is shown of the two views, and when its flows and nodes are first there. */
  let view, cy, nodes, edges, firstOf, nodeFirst, nameToNode, chosen = -1, hiddenBefore = false;
  const isMember = (at) => view.nodes.layer[at] > 0;
  const isSide = (kind) => kind === "payers" || kind === "receivers";
  const isPlain = (flow) => {
    const [from, to] = [view.flows.source[flow.data("at")], view.flows.target[flow.data("at")]];
    return !(isMember(from) && isMember(to)) && view.nodes.kind[from] !== "victim";
  };
  const tint = (flow) => {
    const [from, to] = [view.flows.source[flow.data("at")], view.flows.target[flow.data("at")]];
    return view.nodes.kind[from] === "victim" ? page.colour("victim") : isMember(from) && isMember(to) ? page.colour("member") : page.colour("other");
  };
  const style = () => [
    { selector: "node", style: {
      "background-color": (node) => colourOf(node.data("kind")), shape: (node) => shape[node.data("kind")] || "ellipse", width: (node) => (isSide(node.data("kind")) ? 34 : 18), height: (node) => (isSide(node.data("kind")) ? 34 : 18),
      label: (node) => page.say(view.nodes.short[node.data("at")]), color: page.colour("ink"), "font-size": 9, "font-family": "ui-monospace, monospace", "text-valign": "bottom", "text-margin-y": 2,
      "min-zoomed-font-size": 7, "border-width": (node) => (view.nodes.seed[node.data("at")] ? 2.5 : 0), "border-color": page.colour("ink"),
    } },
    { selector: "edge", style: {
      width: "data(wide)", "line-color": tint, "target-arrow-color": tint, "target-arrow-shape": view.many ? "none" : "triangle",
      "arrow-scale": 0.7, "curve-style": view.many ? "haystack" : "bezier", opacity: (flow) => (isPlain(flow) ? 0.22 : 0.6),
    } },
    { selector: ".later", style: { opacity: 0.04, events: "no" } },
    { selector: "node.later", style: { opacity: 0.18 } },
    { selector: ".now", style: { "line-color": page.colour("accent"), "target-arrow-color": page.colour("accent"), opacity: 1, "z-index": 9 } },
    { selector: ".faded", style: { opacity: 0.1 } },
    { selector: "edge.linked", style: { opacity: 0.95, "line-color": page.colour("accent"), "target-arrow-color": page.colour("accent") } },
    { selector: "node.linked", style: { opacity: 1 } },
  ];
  const elementsOf = (view) => {
    const largest = Math.max(1, ...view.flows.amount.map(Number));
    return [
      ...view.nodes.name.map((_, at) => ({
        group: "nodes", data: { id: "n" + at, at, kind: view.nodes.kind[at] },
        position: { x: view.nodes.x[at] * 74, y: view.nodes.y[at] * 30 },
      })),
      ...view.flows.source.map((source, at) => ({
        group: "edges", data: { id: "e" + at, at, source: "n" + source, target: "n" + view.flows.target[at], wide: 0.6 + 7 * Math.sqrt(Number(view.flows.amount[at]) / largest) },
      })),
    ];
  };
  const legend = () => {
    const kinds = [...new Set(view.nodes.kind)];
    document.getElementById("legend").replaceChildren(...kinds.map((kind) => {
      const entry = page.element("li");
      const sign = { ellipse: "●", "round-rectangle": "■", hexagon: "⬢", diamond: "◆", star: "★", "round-triangle": "▲", triangle: "▲", vee: "▼", rectangle: "■", pentagon: "⬟", octagon: "⯃" }[shape[kind]] || "●";
      const mark = page.element("span", sign + " ");
      mark.style.color = colourOf(kind);
      entry.append(mark, page.say(spec.words[kind] || kind));
      return entry;
    }), page.element("li", page.say({ en: "ringed: suspicious by own evidence", th: "มีขอบ: น่าสงสัยจากหลักฐานของตนเอง" })));
  };
  const paid = (amount) => page.money(amount, unit) + " " + page.say(spec.currency);
  const describe = (target) => {
    const at = target.data("at");
    if (target.isNode()) {
      const got = view.nodes.received[at], gave = view.nodes.paid[at];
      readout.replaceChildren(page.element("strong", page.say(view.nodes.label[at]), "id"), " · ", page.say(spec.words[view.nodes.kind[at]] || view.nodes.kind[at]), " · ",
        page.say({ en: "received ", th: "รับ " }), page.element("span", paid(got), "in"), " · ", page.say({ en: "paid ", th: "จ่าย " }), page.element("span", paid(gave), "out"),
        view.nodes.layer[at] ? " · " + page.say({ en: "layer ", th: "ชั้นที่ " }) + view.nodes.layer[at] : "");
    } else {
      const flow = view.flows;
      readout.replaceChildren(page.element("span", page.say(view.nodes.label[flow.source[at]]), "id"), " → ", page.element("span", page.say(view.nodes.label[flow.target[at]]), "id"), " · ",
        page.element("strong", paid(flow.amount[at])), " · " + flow.n[at] + " " + page.say({ en: "transfers", th: "รายการ" }));
    }
  };
  const lift = (target) => {
    cy.batch(() => {
      cy.elements().removeClass("linked faded");
      const linked = target.isNode() ? target.closedNeighborhood() : target.union(target.connectedNodes());
      cy.elements().difference(linked).addClass("faded");
      linked.addClass("linked");
    });
    describe(target);
  };
  const lower = () => cy.batch(() => cy.elements().removeClass("linked faded"));

  /* Time: an edge is there from its first transfer on; transfers of the latest step are lit. */
  const shownTime = document.getElementById("slider-time");
  const lower_bound = (sorted, value) => { let a = 0, b = sorted.length; while (a < b) { const m = (a + b) >> 1; if (sorted[m] < value) a = m + 1; else b = m; } return a; };
  const setTime = () => {
    const share = Number(slider.value) / 1000, moment = begin + share * (end - begin), lit = begin + Math.max(0, share - 0.02) * (end - begin);
    const all = share >= 1;
    shownTime.textContent = n ? page.when(moment) : "";
    if (all && !hiddenBefore) return;
    const now = new Set();
    if (!all) for (let at = lower_bound(times, lit); at < n && times[at] <= moment; at += 1) now.add(view.plays[at]);
    cy.batch(() => {
      edges.forEach((e, at) => { e.toggleClass("later", !all && firstOf[at] > moment); e.toggleClass("now", now.has(at)); });
      nodes.forEach((v, at) => v.toggleClass("later", !all && nodeFirst[at] > moment));
    });
    hiddenBefore = !all;
  };
  slider.addEventListener("input", setTime);

  const show = (open) => {
    if (cy) cy.destroy();
    view = spec.views[open ? 1 : 0];
    view.many = view.nodes.name.length > 400;
    cy = cytoscape({
      container: box, elements: elementsOf(view), style: style(), layout: { name: "preset" }, minZoom: 0.03, maxZoom: 6, autoungrabify: true,
      boxSelectionEnabled: false, hideEdgesOnViewport: view.flows.source.length > 3000, textureOnViewport: view.many, pixelRatio: view.many ? 1 : "auto",
    });
    cy.fit(undefined, 26);
    cy.on("mouseover tap", "node, edge", (event) => lift(event.target));
    cy.on("mouseout", "node, edge", lower);
    cy.on("tap", (event) => { if (event.target === cy) lower(); });
    cy.on("tap", "node", (event) => { if (isSide(event.target.data("kind"))) setTimeout(() => show(true)); });
    nodes = view.nodes.name.map((_, at) => cy.getElementById("n" + at));
    edges = view.flows.source.map((_, at) => cy.getElementById("e" + at));
    firstOf = new Array(edges.length).fill(Infinity);
    view.plays.forEach((flow, at) => { if (flow >= 0) firstOf[flow] = Math.min(firstOf[flow], times[at]); });
    nodeFirst = new Array(nodes.length).fill(Infinity);
    firstOf.forEach((time, e) => { for (const v of [view.flows.source[e], view.flows.target[e]]) nodeFirst[v] = Math.min(nodeFirst[v], time); });
    nameToNode = new Map(view.nodes.name.map((name, at) => [name, at]));
    chosen = -1;
    hiddenBefore = true;
    around.setAttribute("aria-pressed", String(open));
    legend();
    setTime();
    window.ringNetwork = cy;
  };
  show(false);
  around.hidden = !spec.views[0].nodes.kind.some(isSide);
  around.addEventListener("click", () => show(around.getAttribute("aria-pressed") !== "true"));
  page.onChange(() => { cy.style(style()); legend(); });

  const play = document.getElementById("play");
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; play.setAttribute("aria-pressed", "false"); };
  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (Number(slider.value) >= 1000) slider.value = 0;
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => { slider.value = Math.min(1000, Number(slider.value) + 5); setTime(); if (Number(slider.value) >= 1000) stop(); }, 60);
  });

  const middle = () => ({ x: box.clientWidth / 2, y: box.clientHeight / 2 });
  const zoom = (by) => cy.zoom({ level: cy.zoom() * by, renderedPosition: middle() });
  const all = () => { lower(); cy.fit(undefined, 26); };
  document.getElementById("zoom-in").addEventListener("click", () => zoom(1.3));
  document.getElementById("zoom-out").addEventListener("click", () => zoom(1 / 1.3));
  document.getElementById("fit").addEventListener("click", all);
  const go = (step) => {
    chosen = (chosen + step + nodes.length) % nodes.length;
    lift(nodes[chosen]);
    cy.center(nodes[chosen]);
  };
  const keys = {
    ArrowLeft: () => cy.panBy({ x: 60, y: 0 }), ArrowRight: () => cy.panBy({ x: -60, y: 0 }), ArrowUp: () => cy.panBy({ x: 0, y: 60 }), ArrowDown: () => cy.panBy({ x: 0, y: -60 }),
    "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: all, n: () => go(1), p: () => go(-1), o: () => around.click(), Escape: all,
  };
  box.addEventListener("keydown", (event) => {
    const does = keys[event.key] || keys[event.key.toLowerCase()];
    if (does && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); does(); }
  });
  /* A row of the members' table shows its account in the network. */
  for (const row of document.querySelectorAll("#member-table [data-name]")) {
    if (!nameToNode.has(row.dataset.name)) continue;
    row.tabIndex = 0;
    const raise = () => { chosen = nameToNode.get(row.dataset.name); lift(nodes[chosen]); };
    row.addEventListener("mouseenter", raise);
    row.addEventListener("focus", raise);
    row.addEventListener("mouseleave", lower);
    row.addEventListener("blur", lower);
  }
  new ResizeObserver(() => cy.resize()).observe(box);
})();
