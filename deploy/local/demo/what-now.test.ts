import { expect, test } from 'vitest';
import { whatNow } from './what-now.ts';

const local = { dashboardUrl: 'http://127.0.0.1:8071/#key=k' };

test('after a fleet that was stopped, the demo says how to start it at the ports that it had', () => {
  expect(whatNow({ goesOn: false, local }, 8070)).toEqual([
    expect.stringContaining('after npm start -- --port-base 8070 the dashboard shows it'),
    `  ${local.dashboardUrl}`,
  ]);
  expect(whatNow({ goesOn: false, local }, 7070)[0]).toContain('after npm start the dashboard');
});

test('a fleet that goes on is stopped by a script that there is', () => {
  expect(whatNow({ goesOn: true, local }, 8070).join('\n')).toContain('Stop it with: npm stop');
});
