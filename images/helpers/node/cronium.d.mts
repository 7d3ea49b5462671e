import * as cronium from './cronium.cjs';

export * from './cronium.cjs';
export default cronium;
