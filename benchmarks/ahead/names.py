"""What is compiled ahead of time, and for what."""

TEACHER_STEP = 'teacher_step'
DISTILLATION_STEP = 'distillation_step'
GENERATION_CHUNK = 'generation_chunk'
STUDENT_CHUNK = 'student_chunk'
PROGRAMS = TEACHER_STEP, DISTILLATION_STEP, GENERATION_CHUNK, STUDENT_CHUNK
# As `compiler.py` calls them, and what they are.
TARGETS = {'tpu': 'TPU v5e', 'gpu': 'A100, 40 GB'}
