// Reads what the page carries, examines it, and shows it.

async function examine(anchor, whoseTrust) {
  const x = new Examination(JSON.parse(document.getElementById("evidence").textContent), anchor);
  await x.run();
  show(x, anchor, whoseTrust, async (file) => {
    try {
      await examine(JSON.parse(await file.text()), "in the file that you chose");
    } catch {
      showTrouble("The file that you chose is not a trust file of stint trust export.");
    }
  });
}

function showTrouble(sentence) {
  const verdict = document.getElementById("verdict");
  verdict.className = "verdict fails";
  verdict.replaceChildren(element("p", { class: "word" }, "Not verified"), element("p", {}, sentence));
}

// Paper shows what is folded on a screen.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => d.setAttribute("open", "")));

if (globalThis.crypto?.subtle) {
  examine(JSON.parse(document.getElementById("anchor").textContent), "that this file carries").catch(() => showTrouble("The evidence in this page cannot be read."));
} else {
  showTrouble("This browser offers no cryptography to a page from a file. Take another browser, or: stint evidence verify FILE --trust trust.json");
}
