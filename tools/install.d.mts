export function installLocked(folder: string, what: string): void
