export type { MailTemplateServices } from './compose.ts';
export { LINK_PAGES, MailTemplates, type RegistrationFacts } from './mail-templates.ts';
