import { gatewayKilled } from './gateway-killed.ts';
import type { Fault } from './support/fault.ts';

/** In the order of the table. */
export const FAULTS: readonly Fault[] = [gatewayKilled];
