export { OwnerNotices } from './owner-notices.ts';
