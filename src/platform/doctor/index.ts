export {
  type Check,
  type Deployment,
  type Finding,
  fail,
  failIn,
  ok,
  type Result,
  type Results,
  type Status,
  warn,
} from './check.ts';
export { runChecks } from './run-checks.ts';
