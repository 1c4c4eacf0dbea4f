"""Hugging Face Transformers: the same network as one of the architectures that library knows, without code of ours.

words.py        masked-word models: EuroBERT, XLM-RoBERTa-XL, BERT
translators.py  encoder-decoders: Pegasus, Marian, T5
tokenizer.py    the vocabulary as tokenizer.json
answers.py      what the library answers, for the proof
"""
