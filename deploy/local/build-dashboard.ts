/** `npm run dashboard`: builds the dashboard when its sources changed. */
import { bootstrapContext, ensureDashboard } from './bootstrap.ts';

const report = (line: string): void => void process.stdout.write(`${line}\n`);
await ensureDashboard(bootstrapContext({ env: process.env, report }));
report('The dashboard is built: services/dashboard/dist.');
