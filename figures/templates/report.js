(() => {
  const buttons = [...document.querySelectorAll(".zoom")];
  const viewer = document.getElementById("tl-viewer");
  let current = 0;
  const show = (index) => {
    current = (index + buttons.length) % buttons.length;
    const picture = buttons[current].querySelector("img");
    viewer.querySelector("img").src = picture.src;
    viewer.querySelector("img").alt = picture.alt;
    viewer.querySelector("p").textContent = picture.alt;
    if (!viewer.open) viewer.showModal();
  };
  buttons.forEach((button, index) => button.addEventListener("click", () => show(index)));
  viewer.addEventListener("click", () => viewer.close());
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") show(current + 1);
    if (event.key === "ArrowLeft") show(current - 1);
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((it) => { it.open = true; }));
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((a, id) => a.classList.toggle("here", id === entry.target.id));
    }
  }, { rootMargin: "-10% 0px -75% 0px" });
  if (links.size) document.querySelectorAll("section").forEach((section) => watcher.observe(section));
})();
