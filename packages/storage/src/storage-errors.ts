import { PlatformError } from '@concave/base'
import type { Ts } from './storage.ts'

/** Another process, or another `Storage` of this one, has the data open. */
export function storageInUse(path: string, options?: ErrorOptions): PlatformError {
  return new PlatformError(
    503,
    'StorageInUse',
    `The data at ${path} is in use by another process. Stop that process, or start this one with other data.`,
    options,
  )
}

/** Something that `prune` has forgotten is needed to answer. */
export function outOfRetention(what: string, asked: Ts, kept: Ts): PlatformError {
  return new PlatformError(
    503,
    'OutOfRetention',
    `The ${what} at timestamp ${asked} is no longer kept; the oldest kept is ${kept}. Start again from a newer snapshot.`,
  )
}

/** The storage is closed or was never opened. */
export function storageClosed(): PlatformError {
  return new PlatformError(503, 'StorageClosed', 'The storage of this deployment is closed. Try again.')
}

/** The engine failed while it wrote. Whether the append is durable shows only when the log is looked at again. */
export function outcomeUnknown(cause: unknown): PlatformError {
  return new PlatformError(
    503,
    'AppendOutcomeUnknown',
    'The write may or may not have been stored. Read again before retrying.',
    { cause },
  )
}

/** The data is there but cannot be opened: damaged, of another format, not ours, or not readable. */
export function openFailed(cause: unknown): PlatformError {
  return new PlatformError(
    500,
    'StorageOpenFailed',
    'The data of this deployment could not be opened. The cause is in the log; restore a backup if it is damaged.',
    { cause },
  )
}
