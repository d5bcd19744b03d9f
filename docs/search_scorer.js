// The search of the site: a page of the guide answers more than one that has the words
// by chance. The numbers but `score` are Sphinx's own.
var Scorer = {
  score: ([page, title, anchor, description, score]) => {
    if (page.startsWith("guide/")) return score + 20;
    if (page.startsWith("gallery/") && !page.includes("articles")) return score + 5;
    return ["changes", "measurements", "architecture"].includes(page) ? score - 5 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
