"""Models of Hugging Face's library as models of ours.

folder.py      what a folder of that library holds: config.json, model.safetensors, the tokenizer
tokenizers.py  its tokenizer as a `ForeignVocabulary`;  sentencepiece.py a SentencePiece model as one
bert.py        BertForMaskedLM;  marian.py MarianMTModel
importing.py   `import_model`, and the proof
"""
