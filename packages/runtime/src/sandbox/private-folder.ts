import { mkdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import koffi from 'koffi'

const newMountNamespace = 0x00020000
const bind = 4096
const recursive = 16384
const isPrivate = 1 << 18

/**
 * Puts `folder` in the place of `/tmp`, for this process and all that it starts, so that code which writes there neither
 * sees nor meets anybody. `kept`: folders that stay where they are if they lie below the true one. False where the system does
 * not allow it: only the administrator may, and in many containers not even that one.
 */
export function replaceTmp(folder: string, kept: readonly string[]): boolean {
  const library = koffi.load(null)
  const unshare = library.func('int unshare(int flags)') as (flags: number) => number
  const mountCall = library.func(
    'int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)',
  ) as (source: string | null, target: string, type: null, flags: number, data: null) => number
  const mount = (source: string | null, target: string, flags: number): boolean =>
    mountCall(source, target, null, flags, null) === 0
  if (unshare(newMountNamespace) !== 0 || !mount(null, '/', recursive | isPrivate)) return false
  for (const path of kept.filter((one) => one.startsWith('/tmp/'))) {
    const place = join(folder, relative('/tmp', path))
    mkdirSync(place, { recursive: true })
    if (!mount(path, place, bind | recursive)) return false
  }
  return mount(folder, '/tmp', bind | recursive)
}
