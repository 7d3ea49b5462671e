import * as cronium from 'cronium';

// A word is a run of the letters A to Z, in lower case; nothing depends on a locale.
const { text } = await cronium.input();
const words = (text.match(/[A-Za-z]+/g) ?? []).map((word) => word.toLowerCase());
const counts = new Map();
for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
const top = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, 10);
const lines = text.split('\n').length - 1;
console.log(`${words.length} words in ${lines} lines; most often: ${top[0]?.[0]}`);
await cronium.output({ words: words.length, lines, top });
