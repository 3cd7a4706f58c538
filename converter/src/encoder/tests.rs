mod minilm;
mod run;
