export { BlockpassApi, type BlockpassProfile, type TokenSet } from './blockpass-api.ts';
export { BlockpassAway, BlockpassRefused } from './errors.ts';
