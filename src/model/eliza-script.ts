/**
 * Eliza's script: the rules as data, after Joseph Weizenbaum's DOCTOR (Communications of the ACM 9, 1966,
 * https://doi.org/10.1145/365153.365168). `eliza-engine.ts` says how they are used.
 */

/** A way to take a sentence apart, and the ways to put an answer together from it. */
export type Rule = {
  match: RegExp;
  /**
   * Used in turn. `$1` is the first group, seen from the other side (my → your); `{name}` is ", Ada", or
   * nothing where the name is not known; `{Name}` is "Ada"; `{memory}` is what was said earlier.
   */
  replies: readonly string[];
  /** The rule holds only when this is known. */
  needs?: "name" | "memory";
};

/** Rules that belong together; of all that match, the ones with the highest rank answer. */
export type Keyword = { rank: number; rules: readonly Rule[] };

const nameReplies = [
  "Hello{name}. What would you like to talk about?",
  "I am glad to know your name{name}. What is on your mind?",
  "Names matter to you{name}, I see. Please go on.",
];

const aboutQuestions = [
  "Why do you ask?",
  "What answer would please you most{name}?",
  "What comes to your mind when you ask that?",
  "Have you asked anyone else?",
];

export const keywords: readonly Keyword[] = [
  {
    rank: 20,
    rules: [
      {
        match: /\bmy name(?:'s|’s| is)\b|\bcall me\b|\bi(?:'m|’m| am) called\b/iu,
        needs: "name",
        replies: nameReplies,
      },
      {
        match:
          /^\W*(?:(?:hi|hello|hey|Hi|Hello|Hey)\W+)?(?:I'm|I’m|I am) \p{Lu}[\p{L}\p{M}'’-]+\W*$/u,
        needs: "name",
        replies: nameReplies,
      },
    ],
  },
  {
    rank: 18,
    rules: [
      {
        match: /\bwhat(?:'s|’s| is| was) my name\b|\bwho am i\b|\bremember my name\b/iu,
        needs: "name",
        replies: ["You told me that your name is {Name}.", "You are {Name}, if I heard you well."],
      },
      {
        match: /\bwhat(?:'s|’s| is| was) my name\b|\bwho am i\b|\bremember my name\b/iu,
        replies: ["You have not told me your name yet.", "Would you like to tell me your name?"],
      },
      {
        match:
          /\bdo you (?:still )?(?:remember|recall)\b|\bwhat (?:did|have) i (?:say|said|tell|told)\b/iu,
        needs: "memory",
        replies: [
          "Earlier you said {memory}. Why do you come back to it?",
          "Yes: you said {memory}.",
        ],
      },
      {
        match: /\bdo you (?:still )?(?:remember|recall)\b/iu,
        replies: ["Did you think I would forget?", "What would you like me to remember{name}?"],
      },
      {
        match: /\bi (?:still |often )?remember (.+)/iu,
        replies: [
          "Do you often think of $1?",
          "What else does thinking of $1 bring to mind?",
          "Why do you remember $1 just now?",
        ],
      },
    ],
  },
  {
    rank: 15,
    rules: [
      {
        match: /\b(?:computers?|machines?|programs?|robots?|chatbots?|eliza)\b/iu,
        replies: [
          "Do computers worry you{name}?",
          "Why do you mention computers?",
          "What do you think machines have to do with it?",
          "Do you not think that computers can help people?",
        ],
      },
    ],
  },
  {
    rank: 12,
    rules: [
      {
        match: /\bi (?:dreamed|dreamt|dream) (?:of |about |that )?(.+)/iu,
        replies: [
          "Really, $1?",
          "Have you ever imagined $1 while you were awake?",
          "What does that dream suggest to you{name}?",
        ],
      },
      {
        match: /\b(?:dreams?|nightmares?)\b/iu,
        replies: ["Do you dream often{name}?", "What persons appear in your dreams?"],
      },
    ],
  },
  {
    rank: 10,
    rules: [
      {
        match:
          /\bmy (mother|father|sister|brother|wife|husband|son|daughter|children|parents|family)\b/iu,
        replies: [
          "Tell me more about your $1.",
          "How do you get on with your $1{name}?",
          "What comes to your mind when you think of your $1?",
          "What else can you tell me about your family?",
        ],
      },
      {
        match:
          /\bi(?:'m|’m| am) (?:feeling )?((?:very |so |really |quite |a bit )?(?:sad|unhappy|depressed|sick|lonely|afraid|scared|tired|angry|worried|anxious|upset|lost))\b/iu,
        replies: [
          "I am sorry to hear that you are $1.",
          "How long have you been $1{name}?",
          "What do you think made you $1?",
        ],
      },
      {
        match:
          /\bi(?:'m|’m| am) (?:feeling )?((?:very |so |really |quite )?(?:happy|glad|better|elated|excited|proud|relieved))\b/iu,
        replies: [
          "How have I helped you to be $1?",
          "What makes you $1 just now{name}?",
          "Can you explain why you are suddenly $1?",
        ],
      },
    ],
  },
  {
    rank: 8,
    rules: [
      {
        match: /\bif (.+)/iu,
        replies: [
          "Do you think it is likely that $1?",
          "Do you wish that $1?",
          "What do you think about the case that $1{name}?",
        ],
      },
      {
        match: /\bi (?:need|want|wish for|would like|'d like) (?:to have )?(.+)/iu,
        replies: [
          "What would it mean to you if you got $1?",
          "Why do you want $1?",
          "Suppose you got $1 soon. What then{name}?",
          "What if you never got $1?",
        ],
      },
      {
        match: /\bi (?:feel|felt) (?:that |like )?(.+)/iu,
        replies: [
          "Tell me more about such feelings.",
          "Do you often feel $1?",
          "Of what does feeling $1 remind you{name}?",
        ],
      },
      {
        match: /\bi (?:can't|can’t|cannot|can not) (.+)/iu,
        replies: [
          "How do you know that you cannot $1?",
          "Have you tried{name}?",
          "Perhaps you could $1 now.",
        ],
      },
      {
        match: /\bi (?:think|believe|suppose) (?:that )?(?!so\b|not\b)(.+)/iu,
        replies: [
          "Do you really think so{name}?",
          "But you are not sure that $1?",
          "Why do you think that $1?",
        ],
      },
      {
        match: /\bi (?:hate|dislike|can't stand|fear) (.+)/iu,
        replies: [
          "What is it about $1 that troubles you?",
          "When did you begin to feel so about $1{name}?",
        ],
      },
      {
        match: /\bi (?:love|like|enjoy) (.+)/iu,
        replies: ["What do you like about $1?", "Who else knows that you care for $1{name}?"],
      },
    ],
  },
  {
    rank: 6,
    rules: [
      {
        match: /\bwhy (?:don't|don’t|do not) you (.+)/iu,
        replies: [
          "Do you believe that I do not $1?",
          "Perhaps I will $1 in good time.",
          "Should you $1 yourself{name}?",
        ],
      },
      {
        match: /\bwhy (?:can't|can’t|cannot) i (.+)/iu,
        replies: ["Do you think you should be able to $1?", "Do you want to be able to $1{name}?"],
      },
      {
        match: /\b(?:can|could|would|will) you (.+)/iu,
        replies: [
          "You believe that I can $1, do you?",
          "Perhaps you would like to $1 yourself{name}.",
          "You want me to $1?",
        ],
      },
      {
        match: /\bcan i (.+)/iu,
        replies: ["Perhaps you do not want to $1.", "Do you want to be able to $1{name}?"],
      },
      {
        match: /\bare you (.+)/iu,
        replies: [
          "Why does it matter to you whether I am $1?",
          "Would you prefer it if I were not $1?",
          "Perhaps I am $1 in your fantasies{name}.",
        ],
      },
      {
        match: /\byou(?:'re|’re| are) (.+)/iu,
        replies: [
          "What makes you think that I am $1?",
          "Does it please you to believe that I am $1{name}?",
          "Perhaps you would like to be $1.",
        ],
      },
      {
        match: /\b(?:everyone|everybody|no one|nobody|always|never)\b/iu,
        replies: [
          "Can you think of an example{name}?",
          "Really, without exception?",
          "Of whom in particular are you thinking?",
          "When, for instance?",
        ],
      },
      {
        match: /\b(?:alike|the same|similar|reminds me)\b/iu,
        replies: [
          "In what way{name}?",
          "What resemblance do you see?",
          "What other connections do you see?",
        ],
      },
      {
        match: /\bbecause\b/iu,
        replies: [
          "Is that the real reason{name}?",
          "Do any other reasons come to mind?",
          "What else might that reason explain?",
        ],
      },
      {
        match: /\b(?:sorry|apologi[sz]e)\b/iu,
        replies: [
          "Please do not apologise{name}.",
          "Apologies are not necessary.",
          "What do you feel when you apologise?",
        ],
      },
    ],
  },
  {
    rank: 4,
    rules: [
      {
        match: /\bi(?:'m|’m| am) (.+)/iu,
        replies: [
          "Did you come to me because you are $1?",
          "How long have you been $1{name}?",
          "Do you believe it is normal to be $1?",
        ],
      },
      {
        match: /\bi(?:'ve|’ve| have) (.+)/iu,
        replies: ["How long have you had $1?", "What does having $1 mean to you{name}?"],
      },
      {
        match: /\bmy (.+)/iu,
        replies: [
          "Your $1?",
          "Why do you say your $1?",
          "Does that suggest anything else which belongs to you{name}?",
          "Is it important to you that your $1?",
        ],
      },
      {
        match: /\byou (?!know\b|see\b)(.+) me\b/iu,
        replies: ["Why do you think that I $1 you?", "Do you like to think that I $1 you{name}?"],
      },
    ],
  },
  {
    rank: 2,
    rules: [
      {
        match: /^\W*(?:hello|hi|hey|good (?:morning|afternoon|evening)|greetings)\b/iu,
        replies: [
          "Hello{name}. How are you feeling today?",
          "Good to hear from you again{name}. What is on your mind?",
          "We have said hello already{name}. What shall we talk about?",
        ],
      },
      {
        match: /\b(?:goodbye|good bye|bye|farewell)\b/iu,
        replies: ["Goodbye{name}. It was good to talk with you.", "Until next time{name}."],
      },
      {
        match: /\b(?:thanks|thank you)\b/iu,
        replies: [
          "You are welcome{name}. Is there more that you want to say?",
          "What are you thanking me for{name}?",
        ],
      },
      { match: /\?\s*$|^\W*(?:what|how|when|who|where|which|why)\b/iu, replies: aboutQuestions },
      {
        match: /^\W*(?:yes|yeah|yep|certainly|of course)\b/iu,
        replies: [
          "You seem quite sure{name}.",
          "I see. Can you say more?",
          "I understand. And what follows from it?",
        ],
      },
      {
        match: /^\W*(?:no|nope|not really)\b/iu,
        replies: [
          "Why not{name}?",
          "You are being a bit negative.",
          "Are you saying no just to be negative?",
        ],
      },
    ],
  },
];

/** Used, each statement once, when no keyword matches: DOCTOR's memory. */
export const memoryReplies: readonly string[] = [
  "Earlier you said {memory}. Tell me more about that.",
  "Let us go back to something{name}: you said {memory}. Why is that?",
  "You said {memory}. Does what you say now have to do with that?",
];

/** When no keyword matches and nothing is left to come back to. */
export const otherReplies: readonly string[] = [
  "Please go on{name}.",
  "I am not sure I understand you fully{name}.",
  "What does that suggest to you{name}?",
  "Do you feel strongly about such things{name}?",
  "Can you tell me more about it{name}?",
];

/** What to say to a message without words. */
export const silenceReplies: readonly string[] = [
  "You are silent{name}. What are you thinking of?",
  "Take your time{name}.",
];

/** How words change when the other one says them; the longest that fits is taken. */
export const reflections: Readonly<Record<string, string>> = {
  "i am": "you are",
  "i'm": "you are",
  "i was": "you were",
  "i've": "you have",
  "i'd": "you would",
  "i'll": "you will",
  i: "you",
  am: "are",
  me: "you",
  my: "your",
  mine: "yours",
  myself: "yourself",
  "you are": "I am",
  "you're": "I am",
  "you were": "I was",
  "you've": "I have",
  "you'd": "I would",
  "you'll": "I will",
  "you have": "I have",
  "you can": "I can",
  "you do": "I do",
  you: "me",
  your: "my",
  yours: "mine",
  yourself: "myself",
};
