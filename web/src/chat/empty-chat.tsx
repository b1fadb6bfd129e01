const suggestions = [
  "Explain how a suspension bridge carries its load.",
  "Write a haiku about the sea in winter.",
  "What should I ask before I rent a flat?",
  "Help me plan a quiet weekend in the mountains.",
];

/** The page before the first message. */
export function EmptyChat({ onPick }: { onPick: (text: string) => void }) {
  return (
    <div className="conversation-frame">
      <div className="conversation empty">
        <h2>What is on your mind?</h2>
        <p>
          Replies stream as they are written, go on when you close the page, and are here when you
          come back.
        </p>
        <ul>
          {suggestions.map((text) => (
            <li key={text}>
              <button type="button" onClick={() => onPick(text)}>
                {text}
              </button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
