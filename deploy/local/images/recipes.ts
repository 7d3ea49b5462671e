/** The names under which the bootstrap keeps the fleet's images in the local engine. */
export const IMAGE_TAGS = {
  base: 'cronium/base:local',
  runtimeApi: 'cronium/runtime-api:local',
  jobBash: 'cronium/job-bash:local',
  jobPython: 'cronium/job-python:local',
  jobNode: 'cronium/job-node:local',
} as const;
