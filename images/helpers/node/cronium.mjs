import cronium from './cronium.cjs';

export default cronium;
export const {
  CroniumError,
  input,
  output,
  getVariable,
  setVariable,
  deleteVariable,
  variableExists,
  variableVersion,
  incrementVariable,
  appendVariable,
  setCondition,
  event,
  eventField,
  secret,
  progress,
  artifact,
  executeToolAction,
  sendEmail,
  sendSlackMessage,
  sendDiscordMessage,
  info,
} = cronium;
