/* Classifies image files by a SavedModel without Python: TensorFlow's C API alone.
 *
 *   run_saved_model FOLDER INPUT OUTPUT... -- IMAGE...
 *
 * INPUT and OUTPUT are the tensors of a signature as saved_model.pb names them, such as
 * "serving_default_image_bytes:0". Prints one line per image: its row of each output,
 * separated by tabs, the values of a row by spaces. Outputs are float, string or bool.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

enum { MAX_OUTPUTS = 8 };

static void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void check(TF_Status *status, const char *what) {
  if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status));
}

static void read_file(const char *path, TF_TString *content) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail(path, "cannot be opened");
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *bytes = size < 0 ? NULL : malloc(size + 1);
  if (bytes == NULL || fread(bytes, 1, size, file) != (size_t)size)
    fail(path, "cannot be read");
  fclose(file);
  TF_StringInit(content);
  TF_StringCopy(content, bytes, size);
  free(bytes);
}

/* "operation:index", as in a signature, to the graph's own handle. */
static TF_Output find_tensor(TF_Graph *graph, const char *name) {
  const char *colon = strrchr(name, ':');
  char operation[512];
  size_t length = colon == NULL ? 0 : (size_t)(colon - name);
  if (length == 0 || length >= sizeof operation) fail(name, "is no tensor's name");
  memcpy(operation, name, length);
  operation[length] = '\0';
  TF_Output tensor = {TF_GraphOperationByName(graph, operation), atoi(colon + 1)};
  if (tensor.oper == NULL) fail(name, "is not in the graph");
  return tensor;
}

static void print_row(const char *name, const TF_Tensor *tensor, int64_t row) {
  int64_t width = TF_NumDims(tensor) == 2 ? TF_Dim(tensor, 1) : 1;
  const void *data = TF_TensorData(tensor);
  for (int64_t i = row * width; i < (row + 1) * width; ++i) {
    if (i > row * width) putchar(' ');
    if (TF_TensorType(tensor) == TF_FLOAT) {
      printf("%.9g", ((const float *)data)[i]); /* Nine digits name one float. */
    } else if (TF_TensorType(tensor) == TF_BOOL) {
      putchar(((const unsigned char *)data)[i] ? '1' : '0');
    } else if (TF_TensorType(tensor) == TF_STRING) {
      const TF_TString *text = &((const TF_TString *)data)[i];
      fwrite(TF_StringGetDataPointer(text), 1, TF_StringGetSize(text), stdout);
    } else {
      fail(name, "is neither float nor string nor bool");
    }
  }
}

int main(int argc, char **argv) {
  int end = 3; /* Of the outputs. */
  while (end < argc && strcmp(argv[end], "--") != 0) ++end;
  int num_outputs = end - 3;
  int64_t num_images = argc - end - 1;
  if (num_outputs < 1 || num_outputs > MAX_OUTPUTS || num_images < 1)
    fail("usage", "run_saved_model FOLDER INPUT OUTPUT... -- IMAGE...");

  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1,
                                                     graph, NULL, status);
  check(status, argv[1]);

  size_t num_bytes = num_images * sizeof(TF_TString);
  TF_Tensor *images = TF_AllocateTensor(TF_STRING, &num_images, 1, num_bytes);
  TF_TString *contents = TF_TensorData(images);
  for (int64_t i = 0; i < num_images; ++i) read_file(argv[end + 1 + i], &contents[i]);

  TF_Output input = find_tensor(graph, argv[2]);
  TF_Output outputs[MAX_OUTPUTS];
  TF_Tensor *answers[MAX_OUTPUTS];
  for (int k = 0; k < num_outputs; ++k) outputs[k] = find_tensor(graph, argv[3 + k]);
  TF_SessionRun(session, NULL, &input, &images, 1, outputs, answers, num_outputs, NULL,
                0, NULL, status);
  check(status, "run");
  for (int k = 0; k < num_outputs; ++k)
    if (TF_NumDims(answers[k]) < 1 || TF_NumDims(answers[k]) > 2 ||
        TF_Dim(answers[k], 0) != num_images)
      fail(argv[3 + k], "is neither [n] nor [n, K] for n images");

  for (int64_t i = 0; i < num_images; ++i)
    for (int k = 0; k < num_outputs; ++k) {
      print_row(argv[3 + k], answers[k], i);
      putchar(k + 1 < num_outputs ? '\t' : '\n');
    }

  for (int k = 0; k < num_outputs; ++k) TF_DeleteTensor(answers[k]);
  TF_DeleteTensor(images);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
