/** BullMQ's own queue: what the fleet's is compared with. */
export { Queue } from 'bullmq';
