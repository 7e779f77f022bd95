"""The Gradio demo, pushed to the Hub as is."""
