import { POSTGRES } from '../support/session-adapters.ts';
import { sessionStoreContract } from './session-store.contract.ts';

sessionStoreContract(POSTGRES);
