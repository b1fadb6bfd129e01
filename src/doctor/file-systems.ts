/** Numbers of file systems in `statfs` (man 2 statfs; linux/magic.h). */
const names: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "SMB"],
  [0xfe534d42, "SMB"],
  [0x01021997, "9p"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x65735546, "FUSE"],
  [0x01021994, "tmpfs"],
]);

/**
 * What speaks against a database on a file system of that number: several machines could have it, whose locks and
 * shared memory SQLite's WAL needs and cannot trust (sqlite.org/wal.html), or it is memory. Undefined where
 * nothing is known; on systems other than Linux nothing is.
 */
export function fileSystemProblem(type: number): { name: string; why: string } | undefined {
  const name = names.get(type >>> 0);
  if (name === undefined || process.platform !== "linux") return undefined;
  if (name === "tmpfs")
    return { name, why: "it is memory, and gone after a restart of the machine" };
  return { name, why: "SQLite can lose data where locks are not those of one machine" };
}
