/** The label that jobs of a schedule carry. */
export const SCHEDULE_LABEL = 'cronium.schedule';

/** The labels that jobs of a flow carry: the flow's id, and the step's name. */
export const FLOW_LABEL = 'cronium.flow';
export const STEP_LABEL = 'cronium.step';
