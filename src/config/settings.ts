import type { Open, Settled } from "./setting.ts";
import { accessSettings } from "./settings/access.ts";
import { limitsSettings } from "./settings/limits.ts";
import { listeningSettings } from "./settings/listening.ts";
import { loggingSettings } from "./settings/logging.ts";
import { modelsSettings } from "./settings/models.ts";
import { storageSettings } from "./settings/storage.ts";
import { timesSettings } from "./settings/times.ts";

/**
 * Every setting that this release acts on (DESIGN section 5), by its name in the environment. What later
 * releases add stands in later.ts until it does something.
 */
export const settings = {
  ...listeningSettings,
  ...accessSettings,
  ...storageSettings,
  ...modelsSettings,
  ...limitsSettings,
  ...timesSettings,
  ...loggingSettings,
} as const;

export type SettingName = keyof typeof settings;

/** The value of each setting once parsed. */
export type Values = {
  readonly [Name in SettingName]: (typeof settings)[Name] extends Settled<infer Value>
    ? Value
    : (typeof settings)[Name] extends Open<infer Value>
      ? Value | undefined
      : never;
};

export const settingNames = Object.keys(settings) as SettingName[];

/** The setting's flag without its dashes, `database-url`; undefined on a secret. */
export function flagOf(name: SettingName): string | undefined {
  return settings[name].secret ? undefined : name.toLowerCase().replaceAll("_", "-");
}

/** The key of the setting's flag among parsed flags: `databaseUrl`. */
export function flagKeyOf(name: SettingName): string | undefined {
  return flagOf(name)?.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
