"""Raw boxes and scores of an SSD -> detections: TFLite's custom TFLite_Detection_PostProcess."""
