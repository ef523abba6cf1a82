// Maps of starts: compare any two iterations. Without this script the first and the last are shown.
for (const map of document.querySelectorAll(".starts")) {
  const outcomes = JSON.parse(map.dataset.outcomes);
  const chosen = name => Number(map.querySelector(`select[name=${name}]`).value);
  const show = () => {
    const counts = {kept: 0, gained: 0, lost: 0, failing: 0};
    const before = chosen("before"), after = chosen("after");
    for (const mark of map.querySelectorAll("[data-start]")) {
      const failed = outcomes[mark.dataset.start];
      const state = failed[after] ? (failed[before] ? "failing" : "lost") : (failed[before] ? "gained" : "kept");
      mark.setAttribute("class", state);
      mark.setAttribute("href", "#" + state);
      counts[state] += 1;
    }
    for (const count of map.querySelectorAll("[data-count]")) count.textContent = counts[count.dataset.count];
  };
  map.addEventListener("change", show);
}
