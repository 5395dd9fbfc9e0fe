import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Runs work while no other process runs setup in this folder. Its file `setup.lock` names the holder by its process number and start
 * time. If the holder is alive, this waits for it and says so. The lock of a process that has ended is taken over.
 */
export async function withLock(folder, say, work) {
  const path = join(folder, 'setup.lock')
  const own = `${process.pid} ${processStart(process.pid) ?? ''}\n`
  const release = () => {
    if (read(path) === own) rmSync(path, { force: true })
  }
  mkdirSync(folder, { recursive: true })
  process.once('exit', release)
  let told = false
  while (!tryAcquire(path, own)) {
    const holder = read(path)
    if (holder === undefined) continue
    if (isAlive(holder)) {
      if (!told) {
        say(
          `another setup is at work (process ${holder.split(' ')[0]}); waiting for it. If that process is not a setup, delete ${path}`,
        )
      }
      told = true
      await sleep(200)
    } else {
      takeAway(path, holder)
    }
  }
  try {
    return await work()
  } finally {
    release()
    process.off('exit', release)
  }
}

/** A hard link appears together with its content, so that no reader sees an empty lock. */
function tryAcquire(path, own) {
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, own)
  try {
    linkSync(temporary, path)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** Removes the lock of a process that has ended. If several processes try, one succeeds. */
function takeAway(path, dead) {
  const aside = `${path}.dead.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw error
  }
  try {
    if (read(aside) !== dead) linkSync(aside, path) // a living process was faster: give it its lock back
  } finally {
    rmSync(aside, { force: true })
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The start time distinguishes the holder from a later process with the same number. */
function isAlive(holder) {
  const [pid, start] = holder.trim().split(' ')
  if (!/^[1-9]\d*$/.test(pid)) return false
  const now = processStart(Number(pid))
  return now !== undefined && (!start || !now || start === now)
}

/** When a process began. Undefined if it has ended; '' if the system has no /proc. */
function processStart(pid) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (error.code === 'ESRCH') return undefined
  }
  const status = read(`/proc/${pid}/stat`)
  if (status === undefined) return ''
  const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}
