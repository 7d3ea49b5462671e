import { z } from 'zod';
import { JOB_STATES, TERMINAL_STATES } from './state-table.ts';

export * from './state-table.ts';

export const jobState = z.enum(JOB_STATES);
export const terminalState = z.enum(TERMINAL_STATES);
