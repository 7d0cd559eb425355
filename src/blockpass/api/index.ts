export { BlockpassApi, type TokenSet } from './blockpass-api.ts';
export { BlockpassAway, BlockpassRefused } from './errors.ts';
