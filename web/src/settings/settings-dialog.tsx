import { type FormEvent, useState } from "react";
import { Dialog } from "../ui/dialog.tsx";
import { configOf, formOf, numberFields } from "./generation-fields.ts";
import { ModelSelect } from "./model-select.tsx";
import type { SessionSettingsHandle } from "./use-session-settings.ts";

/** Changes how a chat is answered: its model, what the model is told first, how it generates. */
export function SettingsDialog({
  settings,
  onClose,
}: {
  settings: SessionSettingsHandle;
  onClose: () => void;
}) {
  const { current } = settings;
  const [modelId, setModelId] = useState(current.modelId);
  const [instruction, setInstruction] = useState(current.systemInstruction);
  const [form, setForm] = useState(() => formOf(current.generation));
  const save = (event: FormEvent) => {
    event.preventDefault();
    const generation = configOf(form, current.generation);
    settings.save({ modelId, systemInstruction: instruction, generation });
    onClose();
  };
  return (
    <Dialog title="Settings of this chat" onClose={onClose}>
      <form className="form" onSubmit={save}>
        <div className="field">
          <span>Model</span>
          <ModelSelect value={modelId} onChange={setModelId} />
        </div>
        <label className="field">
          <span>Instruction</span>
          <textarea
            rows={4}
            dir="auto"
            value={instruction}
            placeholder="What the model is told before the conversation"
            onChange={(event) => setInstruction(event.target.value)}
          />
        </label>
        <fieldset>
          <legend>Generation</legend>
          <p className="small">What is left empty is up to the model.</p>
          <div className="grid">
            {numberFields.map(({ name, label, hint, ...bounds }) => (
              <label className="field" key={name}>
                <span>{label}</span>
                <input
                  type="number"
                  inputMode="decimal"
                  {...bounds}
                  step={bounds.step === 1 ? 1 : "any"}
                  value={form[name]}
                  onChange={(event) => setForm({ ...form, [name]: event.target.value })}
                />
                <small>{hint}</small>
              </label>
            ))}
          </div>
          <label className="check">
            <input
              type="checkbox"
              checked={form.includeThoughts}
              onChange={(event) => setForm({ ...form, includeThoughts: event.target.checked })}
            />
            <span>Show the model's thinking, where it has some</span>
          </label>
        </fieldset>
        <div className="buttons">
          <button type="button" className="quiet" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="primary">
            Save
          </button>
        </div>
      </form>
    </Dialog>
  );
}
