"""Engine-free model rules: numpy in, numpy out; LightGBM and XGBoost only inside `ranker` and `scorer`."""
