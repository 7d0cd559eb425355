export { NOTICE_RULES, OwnerNotices } from './owner-notices.ts';
