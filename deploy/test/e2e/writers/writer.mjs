// Each kind of write again and again, all kinds at once, until the variable `end` says so. Prints the number of each.
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import cronium from 'cronium';

const mine = `writers/${process.env.CRONIUM_JOB_ID}`;
const writes = {
  count: () => cronium.incrementVariable(`${mine}/count`),
  compared: (number) => cronium.setVariable(`${mine}/compared`, number, { ifVersion: number - 1 }),
  list: (number) => cronium.appendVariable(`${mine}/list`, String(number), ' '),
  output: (number) => cronium.output({ last: number }),
  artifact: (number) => {
    writeFileSync('artifact', Buffer.concat([Buffer.from(`${number}\n`), Buffer.alloc(1_000_000)]));
    return cronium.artifact('artifact');
  },
};

async function again([name, write]) {
  for (let number = 1; (await cronium.getVariable('end')) !== 'yes'; number++) {
    await write(number);
    console.log(name, number);
    await pause(1000);
  }
}

await Promise.all(Object.entries(writes).map(again));
